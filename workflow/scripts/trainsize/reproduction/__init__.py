"""The stage reproduction: the numbers of a published study compared with ours."""
