"""overlap: counts the images shared by every pair of the study's subsets and compares them with chance.

Reads all subsets and the labels of the data set; writes two tables to results/{study}/overlap/, one of pairs and one of
their classes.
"""


localrules:
    overlap,


rule overlap:
    input:
        manifest=f"results/datasets/{STUDY.dataset.name}/manifest.json",
        subsets=subset_files(),
    output:
        pairs="results/{study}/overlap/overlap.parquet",
        classes="results/{study}/overlap/overlap_classes.parquet",
    log:
        "results/{study}/logs/overlap.log",
    conda:
        environment("data")
    params:
        grid=canonical_json({"sizes": STUDY.sizes, "draws": STUDY.draws}),
        code=fingerprint("overlap"),
        dataset=subpath(input.manifest, parent=True),
        results=subpath(output[0], ancestor=2),
    shell:
        "python $SCRIPTS/overlap.py {log:q} {params.grid:q} {params.dataset:q} {params.results:q}"
