"""plan: which runs the study still needs, why, and what they cost.

Needs no input and runs whenever it is requested. Prints the plan and writes results/{study}/plan.parquet.
"""


localrules:
    plan,


rule plan:
    log:
        f"results/{STUDY.name}/logs/plan.log",
    conda:
        environment("training")
    params:
        options=lambda wildcards, resources: canonical_json(
            {
                "settings": MACHINE,
                "jobs": workflow.resource_settings.nodes or workflow.resource_settings.cores,
                "retries": workflow.execution_settings.retries,
                "requested": dict(resources.items()) if workflow.resource_settings.nodes else None,
            }
        ),
    shell:
        "python $SCRIPTS/plan.py {log:q} {params.options:q} results"
