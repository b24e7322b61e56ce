"""audit: searches the numbers of the study's own runs for signs of known mistakes.

Reads the tables of runs and checkpoints and the data set's manifest; writes results/{study}/audit/.
"""


localrules:
    audit,


rule audit:
    input:
        "results/{study}/metrics/history.parquet",
        "results/{study}/metrics/runs.parquet",
        manifest=f"results/datasets/{STUDY.dataset.name}/manifest.json",
    output:
        "results/{study}/audit/findings.parquet",
    log:
        "results/{study}/logs/audit.log",
    conda:
        environment("analysis")
    params:
        settings=as_json(STUDY.audit_settings()),
        code=fingerprint("audit"),
        results=subpath(output[0], ancestor=2),
    shell:
        "python $SCRIPTS/audit.py {log:q} {params.settings:q} {params.results:q} {input.manifest:q}"
