"""training: trains one run per model, size, draw and seed.

Reads the data set; writes each run's history, predictions and record. Runs of one model and size are packed into jobs of
`runs_per_job` runs. Each pack has its own rule, whose outputs name its draws and seeds, while model and size remain
wildcards. Nothing that Snakemake compares (inputs, parameters, the text of the command) depends on the packing, so
changing it makes no finished run stale. For this reason the tables of subsets are no inputs: a run draws its rows by the
same function of the data set, the settings and the draw, and the metrics stage compares their hashes with the tables.
"""

for pack in packs(STUDY.pairs, MACHINE["runs_per_job"]):

    rule:
        name:
            pack.name
        input:
            manifest=f"results/datasets/{STUDY.dataset.name}/manifest.json",
        output:
            history=[f"results/{{study}}/{folder}/history.parquet" for folder in pack.folders],
            predictions=[f"results/{{study}}/{folder}/predictions.parquet" for folder in pack.folders],
            record=[f"results/{{study}}/{folder}/run.json" for folder in pack.folders],
        log:
            f"results/{{study}}/logs/training/{{model}}/n{{n}}/{pack.label}.log",
        benchmark:
            f"results/{{study}}/benchmarks/training/{{model}}/n{{n}}/{pack.label}.tsv"
        conda:
            environment("training")
        threads: MACHINE["threads"]
        resources:
            device=MACHINE["device"],
            gpu=lambda wildcards: MACHINE["gpus"] * STUDY.models[wildcards.model]["gpus"],
            runtime=training_minutes(len(pack.folders)),
            mem_mb=lambda wildcards, attempt: attempt * job_megabytes(STUDY, MACHINE["memory"]),
        params:
            settings=lambda wildcards: canonical_json(STUDY.run_settings(wildcards.model)),
            code=fingerprint("training"),
            dataset=subpath(input.manifest, parent=True),
        # Snakemake retrains every run when one character of this text changes.
        shell:
            "python $SCRIPTS/training.py {log:q} {params.settings:q} {params.code} {params.dataset:q} {threads} {resources.device} {output.record:q}"
