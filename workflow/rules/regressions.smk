"""regressions: fits how each metric changes with the size, and answers the study's questions with intervals.

Reads the tables of runs and checkpoints, the runs' predictions, the subsets and the data set's manifest; writes
results/{study}/regressions/.
"""


localrules:
    regressions,


rule regressions:
    input:
        runs="results/{study}/metrics/runs.parquet",
        history="results/{study}/metrics/history.parquet",
        records=run_files("run.json"),
        subsets=subset_files(),
        manifest=f"results/datasets/{STUDY.dataset.name}/manifest.json",
    output:
        tables=[f"results/{{study}}/regressions/{name}.parquet" for name in REGRESSION_TABLES],
        summary=report(
            "results/{study}/regressions/summary.txt", caption="../report/summary.rst", category="Regressions"
        ),
        answers=report(
            "results/{study}/regressions/answers.txt", caption="../report/answers.rst", category="Regressions"
        ),
    log:
        "results/{study}/logs/regressions.log",
    conda:
        environment("analysis")
    params:
        settings=as_json(STUDY.regressions_settings()),
        code=fingerprint("regressions"),
        results=subpath(output.summary, ancestor=2),
    shell:
        "python $SCRIPTS/regressions.py {log:q} {params.settings:q} {params.results:q} {input.manifest:q}"
