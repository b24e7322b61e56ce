"""training: one run per model, size, draw and seed.

Needs the data set and the subsets; makes each run's history, predictions and record. The runs of one model and size are
packed, `runs_per_job` of them into a job: one rule per pack, whose outputs name its draws and seeds while model and size
stay wildcards. Nothing that Snakemake compares (outputs, inputs, parameters, the text of the command) depends on the
packing, so changing it makes no finished run stale. That is why the subsets are waited for by way of their table, whose
changes do not count (`ancient`): which images a run sees follows from its settings and the code, which do count.
"""

for pack in packs(STUDY.pairs, MACHINE["runs_per_job"]):

    rule:
        name:
            pack.name
        input:
            manifest=f"results/datasets/{STUDY.dataset.name}/manifest.json",
            subsets=ancient("results/{study}/subsets/subsets.parquet"),
        output:
            history=[f"results/{{study}}/{folder}/history.parquet" for folder in pack.folders],
            predictions=[f"results/{{study}}/{folder}/predictions.parquet" for folder in pack.folders],
            record=[f"results/{{study}}/{folder}/run.json" for folder in pack.folders],
        log:
            f"results/{{study}}/logs/training/{{model}}/n{{n}}/{pack.label}.log",
        benchmark:
            f"results/{{study}}/benchmarks/training/{{model}}/n{{n}}/{pack.label}.tsv"
        conda:
            "../../envs/training.yaml"
        threads: MACHINE["threads"]
        resources:
            device=MACHINE["device"],
        params:
            settings=lambda wildcards: canonical_json(STUDY.run_settings(wildcards.model)),
            code=fingerprint("training"),
            dataset=subpath(input.manifest, parent=True),
        # Snakemake retrains every run when one character of this text changes.
        shell:
            "python $SCRIPTS/training.py {log:q} {params.settings:q} {params.code} {params.dataset:q} {threads} {resources.device} {output.record:q}"
