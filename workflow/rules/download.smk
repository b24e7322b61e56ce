"""download: a data set, prepared as uint8 arrays with a manifest.

Needs the mirror or the official addresses, and runs where snakemake was called, not on a cluster's nodes. Makes
results/datasets/{dataset}/. Its code is no parameter: what counts is the content, whose hash is in the manifest, and a
data set is never made again because a reader of another one was edited.
"""


localrules:
    download,


rule download:
    output:
        manifest="results/datasets/{dataset}/manifest.json",
        contents=[f"results/datasets/{{dataset}}/{name}" for name in STUDY.dataset.outputs],
    log:
        "results/datasets/{dataset}/download.log",
    conda:
        "../../envs/data.yaml"
    resources:
        # Where its files come from does not change a data set, and resources are not compared.
        mirror=MACHINE["data"]["mirror"],
    params:
        request=as_json(STUDY.dataset.request),
        folder=subpath(output.manifest, parent=True),
        # Data sets prepared in another layout are prepared anew.
        layout=LAYOUT,
    shell:
        "python $SCRIPTS/download.py {log:q} {params.request:q} {params.folder:q} {resources.mirror:q}"
