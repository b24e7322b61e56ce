"""download: a data set, prepared as uint8 arrays with a manifest.

Needs nothing; makes results/datasets/{dataset}/. Its code is no parameter: what counts is the content, whose hash is in
the manifest, and a data set is never made again because a reader of another one was edited.
"""


localrules:
    download,


rule download:
    output:
        manifest="results/datasets/{dataset}/manifest.json",
        arrays=expand(
            "results/datasets/{{dataset}}/{split}_{what}.npy", split=["train", "test"], what=["images", "labels"]
        ),
    log:
        "results/datasets/{dataset}/download.log",
    conda:
        "../../envs/data.yaml"
    params:
        dataset=canonical_json(STUDY.dataset.name),
        folder=subpath(output.manifest, parent=True),
    shell:
        "python $SCRIPTS/download.py {log:q} {params.dataset:q} {params.folder:q}"
