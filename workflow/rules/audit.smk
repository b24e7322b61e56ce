"""audit: signs of known mistakes in the numbers of the study's own runs.

Needs the tables of runs and checkpoints; makes results/{study}/audit/.
"""

SELECTIONS = {"last": "last", "best_on_validation": "validation", "best_on_test": "best"}


localrules:
    audit,


rule audit:
    input:
        "results/{study}/metrics/history.parquet",
        "results/{study}/metrics/runs.parquet",
    output:
        "results/{study}/audit/findings.parquet",
    log:
        "results/{study}/logs/audit.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=as_json(
            {
                "n_train": STUDY.dataset.n_train,
                "n_test": STUDY.dataset.n_test,
                "n_validation": STUDY.subset["validation"] or None,
                "classes": len(STUDY.dataset.classes),
                "folds": STUDY.subset["method"] == "kfold",
                "f1": "f1_micro" if "f1_micro" in STUDY.figures["metrics"] else "f1_macro",
                "models": {
                    model: {
                        "batch_size": recipe["batch_size"],
                        "selection": SELECTIONS[recipe["selection"]["name"]],
                    }
                    for model, recipe in STUDY.models.items()
                },
            }
        ),
        code=fingerprint("audit"),
        results=subpath(output[0], ancestor=2),
    shell:
        "python $SCRIPTS/audit.py {log:q} {params.settings:q} {params.results:q}"
