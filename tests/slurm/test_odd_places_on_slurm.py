"""A study on a real SLURM from a folder with an odd name, in which the interpreter lies too."""

from helpers import accounted


def test_a_study_at_an_odd_place(on_cluster, cluster, tmp_path):
    project = on_cluster.moved(tmp_path / "-a b'c {d} {{e}} #&*;(f)[g]?<h>|~ é e\u0301 漢")
    project.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", "sizes: [20]")
    project.edit("studies/tiny.yaml", "  cnn: {architecture: {name: cnn, channels: [4]}}\n", "")
    project.snakemake("--profile", "slurm")
    assert (project.results / "report.html").is_file()
    jobs = accounted(cluster, "JobName", "tiny")
    assert [job["State"] for job in jobs] == ["COMPLETED"]
    assert project.planned_jobs("--profile", "slurm") == {}
    project.edit("studies/tiny.yaml", "seeds: [1, 2]", "seeds: [1, 2, 3]")
    assert project.planned_jobs("--profile", "slurm")["training"] == 1
