"""metrics: the runs of the study in a few tables.

Needs every run, the list of subsets and the data set's manifest; makes results/{study}/metrics/. A run's record stands
for its history and predictions, which it vouches for: each file of ten thousand runs that is named here costs a dry run
two seconds.
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
        "../../envs/analysis.yaml"
    params:
        settings=as_json(STUDY.metrics_settings()),
        code=fingerprint("metrics"),
        results=subpath(output.runs, ancestor=2),
    shell:
        "python $SCRIPTS/metrics.py {log:q} {params.settings:q} {params.results:q} {input.manifest:q}"
