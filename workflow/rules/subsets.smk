"""subsets: chooses the training images of each size and draw.

Reads the labels of the data set; writes one table per size and draw, all sizes of a draw in one job, and a list of them.
"""


localrules:
    subsets,
    subsets_table,


rule subsets:
    input:
        manifest=f"results/datasets/{STUDY.dataset.name}/manifest.json",
    output:
        expand("results/{{study}}/subsets/n{n}/draw{{draw}}.parquet", n=STUDY.sizes),
    log:
        "results/{study}/logs/subsets/draw{draw}.log",
    conda:
        environment("data")
    params:
        settings=lambda wildcards: canonical_json(
            {"subset": STUDY.subset_settings(), "sizes": STUDY.sizes, "draw": int(wildcards.draw)}
        ),
        code=fingerprint("subsets"),
        dataset=subpath(input.manifest, parent=True),
    shell:
        "python $SCRIPTS/subsets.py {log:q} {params.settings:q} {params.dataset:q} {output:q}"


rule subsets_table:
    input:
        subset_files(),
    output:
        "results/{study}/subsets/subsets.parquet",
    log:
        "results/{study}/logs/subsets_table.log",
    conda:
        environment("data")
    params:
        grid=as_json({"sizes": STUDY.sizes, "draws": STUDY.draws}),
        code=fingerprint("subsets_table"),
        folder=subpath(output[0], parent=True),
    shell:
        "python $SCRIPTS/subsets_table.py {log:q} {params.grid:q} {params.folder:q} {output:q}"
