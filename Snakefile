"""trainsize: how much does more training data help an image classifier, and how much is enough?

The stages are included in the order of the data flow. Their rules are in workflow/rules.
"""

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/library.smk"


configfile: CONFIG


include: "workflow/rules/common.smk"


rule all:
    default_target: True
    input:
        final_files(),


include: "workflow/rules/download.smk"
include: "workflow/rules/subsets.smk"
include: "workflow/rules/overlap.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/regressions.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/reproduction.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"
