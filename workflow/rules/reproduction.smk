"""reproduction: a published study's numbers compared with ours, as published and corrected.

Needs the tables of this version of the study, and those of its other versions that have been run; makes
results/{study}/reproduction/. Studies that reproduce nothing do not have this stage.
"""

if reproduced(STUDY.name):

    localrules:
        reproduction,

    rule reproduction:
        input:
            f"results/{STUDY.name}/metrics/neurons.parquet",
            f"results/{STUDY.name}/overlap/overlap.parquet",
            runs=lambda wildcards: tables_of_versions(),
        output:
            reproduction_files(),
        log:
            "results/{study}/logs/reproduction.log",
        conda:
            environment("analysis")
        params:
            settings=as_json(
                {"study": STUDY.name, "stand_in": STUDY.stand_in, "published": printed_content(reproduced(STUDY.name))}
            ),
            code=fingerprint("reproduction", "figures/matplotlibrc"),
            results=subpath(output[0], ancestor=3),
        shell:
            "python $SCRIPTS/reproduction.py {log:q} {params.settings:q} {params.results:q}"
