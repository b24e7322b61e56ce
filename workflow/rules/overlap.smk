"""overlap: how many images every two subsets of the study share, beside what chance gives.

Needs all subsets and the labels of the data set; makes two tables in results/{study}/overlap/, of pairs and of
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
        "../../envs/data.yaml"
    params:
        grid=canonical_json({"sizes": STUDY.sizes, "draws": STUDY.draws}),
        code=fingerprint("overlap"),
        dataset=subpath(input.manifest, parent=True),
        results=subpath(output[0], ancestor=2),
    shell:
        "python $SCRIPTS/overlap.py {log:q} {params.grid:q} {params.dataset:q} {params.results:q}"
