"""figures: what the tables show.

Needs the tables of metrics, regressions and overlap and the data set's manifest; makes each figure as PNG and PDF in
results/{study}/figures/.
"""


def reported(file, figure):
    """The file of a figure, marked for `snakemake --report`."""
    labels = {"figure": figure["kind"], "of": ", ".join(figure[key] for key in figure if key not in ("name", "kind"))}
    return report(file, caption="../report/figures.rst", category="Figures", labels=labels)


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
        png=[reported(*pair) for pair in zip(figure_files("png"), STUDY.figure_list())],
        pdf=figure_files("pdf"),
    log:
        "results/{study}/logs/figures.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=canonical_json(STUDY.figure_settings()),
        code=fingerprint("figures", "matplotlibrc"),
        results=subpath(output[0], ancestor=2),
    shell:
        "python $SCRIPTS/figures.py {log:q} {params.settings:q} {params.results:q} {input.manifest:q}"
