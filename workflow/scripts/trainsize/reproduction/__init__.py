"""The stage reproduction: the numbers of a published study beside ours."""
