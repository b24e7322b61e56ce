"""figures: what the tables show.

Needs the tables of metrics, regressions and overlap; makes each figure as PNG and PDF in results/{study}/figures/.
"""


localrules:
    figures,


rule figures:
    input:
        "results/{study}/metrics/history.parquet",
        "results/{study}/metrics/runs.parquet",
        "results/{study}/regressions/parameters.parquet",
        "results/{study}/overlap/overlap.parquet",
    output:
        png=figure_files("png"),
        pdf=figure_files("pdf"),
    log:
        "results/{study}/logs/figures.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=canonical_json({"figures": STUDY.figure_list(), "models": STUDY.figures["models"]}),
        code=fingerprint("figures"),
        results=subpath(output[0], ancestor=2),
    shell:
        "python $SCRIPTS/figures.py {log:q} {params.settings:q} {params.results:q}"
