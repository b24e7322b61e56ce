"""plan: which runs the study still needs, why, and what they cost.

Needs nothing and runs whenever it is asked for; prints, and writes results/{study}/plan.parquet.
"""


localrules:
    plan,


rule plan:
    log:
        f"results/{STUDY.name}/logs/plan.log",
    conda:
        "../../envs/training.yaml"
    params:
        study=STUDY.name,
    shell:
        "python $SCRIPTS/plan.py {params.study:q} results | tee {log:q}"
