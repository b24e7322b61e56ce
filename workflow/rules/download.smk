"""download: prepares a data set as uint8 arrays with a manifest.

Reads the mirror or the official addresses, on the machine where snakemake is called, not on cluster nodes. Writes
results/datasets/{dataset}/. The code is not a parameter, because a data set must not be prepared again after an edit of
another one's reader. What counts is the content, whose hash is in the manifest. The user's own files are no inputs but
a parameter: Snakemake would compare them by time, and a million of them one by one.
"""


localrules:
    download,


onstart:
    # Before Snakemake removes the prepared data set: files that do not fit the study would only be refused.
    if any(job.rule.name == "download" for job in workflow.dag.needrun_jobs()):
        if messages := no_longer_fits(STUDY, own_files(), STUDIES):
            sys.exit("\n".join(messages))


rule download:
    output:
        manifest="results/datasets/{dataset}/manifest.json",
        contents=[f"results/datasets/{{dataset}}/{name}" for name in STUDY.dataset.outputs],
    log:
        "results/datasets/{dataset}/download.log",
    conda:
        environment("data")
    resources:
        # A resource, because resources are not compared and the source of the files does not change a data set.
        mirror=MACHINE["data"]["mirror"],
    params:
        request=as_json(STUDY.dataset.request),
        folder=subpath(output.manifest, parent=True),
        # Data sets with another layout are prepared again.
        layout=LAYOUT,
        sources=lambda wildcards: own_files().state,
    shell:
        "python $SCRIPTS/download.py {log:q} {params.request:q} {params.folder:q} {resources.mirror:q}"
