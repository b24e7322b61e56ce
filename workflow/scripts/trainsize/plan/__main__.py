"""Print what a study still costs.

python -m trainsize.plan [STUDY] [--profile slurm] [--format text|json|tsv]
"""

import sys

from trainsize.common.errors import UserError, exit_on_user_error
from trainsize.plan.stage import plan_for
from trainsize.study.command_line import machine_settings, study_parser


def _job_count(jobs: str | int) -> int:
    """Return the number of jobs at once, in the forms that Snakemake accepts. Raises UserError for anything else."""
    if str(jobs) == "unlimited":
        return sys.maxsize
    if not str(jobs).isdecimal() or int(jobs) < 1:
        raise UserError(f"jobs: found {jobs!r}, must be a whole number from 1, or 'unlimited'")
    return int(jobs)


def main() -> None:
    parser = study_parser("plan", "Print what a study still costs.")
    parser.add_argument("--profile", help="folder of a Snakemake profile, such as slurm: plan for its cluster")
    parser.add_argument("--jobs", help="jobs at once, a number or 'unlimited' (default: the profile's, else 1)")
    parser.add_argument("--format", choices=("text", "json", "tsv"), default="text")
    options = parser.parse_args()
    with exit_on_user_error():
        settings, profile = machine_settings(options.study, options.profile)
        jobs = _job_count(options.jobs or profile.get("jobs", 1))
        plan_options = {
            "settings": settings,
            "jobs": jobs,
            "retries": profile.get("retries", 0),
            "requested": profile.get("default-resources"),
        }
        plan_for(plan_options, options.results, options.format)


if __name__ == "__main__":
    main()
