"""figures: draws the tables.

Reads the tables of metrics, regressions and overlap, and the data set, represented by its manifest. Writes each figure
as PNG and PDF to results/{study}/figures/, and an interactive page of surfaces. It also reads the runs' predictions,
which are no inputs because the tables of metrics change with them.
"""


localrules:
    figures,


rule figures:
    input:
        metrics=[f"results/{{study}}/metrics/{name}.parquet" for name in METRIC_TABLES],
        regressions=[f"results/{{study}}/regressions/{name}.parquet" for name in REGRESSION_TABLES],
        overlap=["results/{study}/overlap/overlap.parquet", "results/{study}/overlap/overlap_classes.parquet"],
        manifest=f"results/datasets/{STUDY.dataset.name}/manifest.json",
    output:
        png=reported_figures(),
        pdf=figure_files("pdf"),
        page=surface_page(),
    log:
        "results/{study}/logs/figures.log",
    conda:
        environment("analysis")
    params:
        settings=as_json(STUDY.figure_settings()),
        code=fingerprint("figures", "figures/matplotlibrc"),
        results=subpath(output[0], ancestor=2),
        dataset=subpath(input.manifest, parent=True),
    shell:
        "python $SCRIPTS/figures.py {log:q} {params.settings:q} {params.results:q} {params.dataset:q}"
