"""Say what a study still costs.

python -m trainsize.plan [STUDY] [--profile slurm] [--format text|json|tsv]
"""

import sys

from trainsize.common.errors import UserError
from trainsize.plan.stage import plan_for
from trainsize.study.command_line import machine_settings, mistakes_told, study_parser


def _at_once(jobs: str | int) -> int:
    """Return a number of jobs as Snakemake takes it. Raises UserError for anything else."""
    if str(jobs) == "unlimited":
        return sys.maxsize
    if not str(jobs).isdecimal() or int(jobs) < 1:
        raise UserError(f"jobs: found {jobs!r}, must be a whole number from 1, or 'unlimited'")
    return int(jobs)


def main() -> None:
    parser = study_parser("plan", "Say what a study still costs.")
    parser.add_argument("--profile", help="folder of a Snakemake profile, such as slurm: plan for its cluster")
    parser.add_argument("--jobs", help="jobs at once, a number or 'unlimited' (default: the profile's, else 1)")
    parser.add_argument("--format", choices=("text", "json", "tsv"), default="text")
    options = parser.parse_args()
    with mistakes_told():
        settings, profile = machine_settings(options.study, options.profile)
        jobs = _at_once(options.jobs or profile.get("jobs", 1))
    place = {
        "settings": settings,
        "jobs": jobs,
        "retries": profile.get("retries", 0),
        "asked": profile.get("default-resources"),
    }
    plan_for(place, options.results, options.format)


if __name__ == "__main__":
    main()
