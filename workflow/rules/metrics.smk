"""metrics: collects the runs of the study in a few tables.

Reads every run, the list of subsets and the data set's manifest; writes results/{study}/metrics/. A run's record
represents its history and predictions, whose checksums it holds: each further input file per run adds two seconds to a
dry run of ten thousand runs.
"""


localrules:
    metrics,


rule metrics:
    input:
        records=run_files("run.json"),
        subsets="results/{study}/subsets/subsets.parquet",
        manifest=f"results/datasets/{STUDY.dataset.name}/manifest.json",
    output:
        history="results/{study}/metrics/history.parquet",
        runs="results/{study}/metrics/runs.parquet",
        classes="results/{study}/metrics/classes.parquet",
        confusion="results/{study}/metrics/confusion.parquet",
        neurons="results/{study}/metrics/neurons.parquet",
    log:
        "results/{study}/logs/metrics.log",
    conda:
        environment("analysis")
    params:
        settings=as_json(STUDY.metrics_settings()),
        code=fingerprint("metrics"),
        results=subpath(output.runs, ancestor=2),
    shell:
        "python $SCRIPTS/metrics.py {log:q} {params.settings:q} {params.results:q} {input.manifest:q}"
