"""regressions: how each metric moves with the size.

Needs the table of runs; makes results/{study}/regressions/.
"""


localrules:
    regressions,


rule regressions:
    input:
        runs="results/{study}/metrics/runs.parquet",
    output:
        fits="results/{study}/regressions/fits.parquet",
        parameters="results/{study}/regressions/parameters.parquet",
        summary="results/{study}/regressions/summary.txt",
    log:
        "results/{study}/logs/regressions.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=canonical_json({"models": list(STUDY.models), **STUDY.regressions}),
        code=fingerprint("regressions"),
        folder=subpath(output.fits, parent=True),
    shell:
        "python $SCRIPTS/regressions.py {log:q} {params.settings:q} {input.runs:q} {params.folder:q}"
