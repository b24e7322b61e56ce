"""figures: what the tables show.

Needs the tables of metrics, regressions and overlap and the data set's manifest; makes each figure as PNG and PDF in
results/{study}/figures/.
"""


localrules:
    figures,


rule figures:
    input:
        "results/{study}/metrics/history.parquet",
        "results/{study}/metrics/runs.parquet",
        "results/{study}/regressions/predictions.parquet",
        "results/{study}/overlap/overlap.parquet",
        "results/{study}/overlap/overlap_classes.parquet",
        manifest=f"results/datasets/{STUDY.dataset.name}/manifest.json",
    output:
        png=figure_files("png"),
        pdf=figure_files("pdf"),
    log:
        "results/{study}/logs/figures.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=as_json({"figures": STUDY.figure_list(), "models": STUDY.figures["models"]}),
        code=fingerprint("figures", "matplotlibrc"),
        results=subpath(output[0], ancestor=2),
    shell:
        "python $SCRIPTS/figures.py {log:q} {params.settings:q} {params.results:q} {input.manifest:q}"
