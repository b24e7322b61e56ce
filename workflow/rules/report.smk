"""report: writes one page that answers the study's question.

Reads the tables, the figures, the data set's manifest and, for a published study, the reproduction; writes
results/{study}/report.html.
"""


localrules:
    report,


rule report:
    input:
        manifest=f"results/datasets/{STUDY.dataset.name}/manifest.json",
        runs="results/{study}/metrics/runs.parquet",
        regressions=[f"results/{{study}}/regressions/{name}.parquet" for name in REGRESSION_TABLES],
        subsets="results/{study}/subsets/subsets.parquet",
        overlap="results/{study}/overlap/overlap.parquet",
        findings="results/{study}/audit/findings.parquet",
        figures=figure_files("png"),
        reproduction=reproduction_files(),
    output:
        report("results/{study}/report.html", caption="../report/report.rst", category="Report"),
    log:
        "results/{study}/logs/report.log",
    conda:
        environment("analysis")
    params:
        settings=as_json(STUDY.card()),
        code=fingerprint("report", "report/report.html.jinja", "report/report.css", "report/report.js"),
        results=subpath(output[0], parent=True),
    shell:
        "python $SCRIPTS/report.py {log:q} {params.settings:q} {params.results:q} {input.manifest:q} {output:q}"
