"""Compare a study's numbers, as published and corrected, with the published ones.

python -m trainsize.reproduction STUDY [--results FOLDER]
"""

import numpy as np
import pandas as pd

from trainsize.common.errors import UserError, exit_on_user_error, listing
from trainsize.published.versions import REPRODUCED, reproduced, versions
from trainsize.reproduction.stage import reproduce
from trainsize.study.command_line import named_study, study_parser


def describe(table: pd.DataFrame) -> str:
    """Return the table as text."""
    lines = [f"{'artefact':<9}{'number':<46}{'published':>13}{'as published':>14}{'corrected':>13}  verdict"]
    for row in table.to_dict("records"):
        ours = "".join(f"{_number(row[mode]):>{width}}" for mode, width in (("as_published", 14), ("corrected", 13)))
        verdict = row["verdict"] + (f": {row['why']}" if row["why"] else "")
        lines.append(f"{row['artefact']:<9}{row['quantity'][:45]:<46}{_number(row['published']):>13}{ours}  {verdict}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.5g}"


def main() -> None:
    parser = study_parser("reproduction", __doc__.splitlines()[0])
    options = parser.parse_args()
    with exit_on_user_error():
        study = named_study(options.study)
        if reproduced(study.name) is None:
            raise UserError(f"{study.name} reproduces no published study; these do: {listing(REPRODUCED, 10)}")
        folder = options.results / study.name
        if not (folder / "metrics" / "runs.parquet").exists():
            raise UserError(f"{folder}: no results yet; run the study first: snakemake --config study={study.name}")
        print(describe(reproduce(study, versions(study.name, options.results))))


if __name__ == "__main__":
    main()
