"""Stages: made once, by one process, resumed after a kill, and named by all they depend on."""

import json
import threading
import time

from tdsm.experiments.stages import listing, new_stage


def test_a_stage_is_made_once_by_one_of_two_at_a_time(tmp_path):
    calls = []

    def make(folder):
        calls.append(folder.name)
        time.sleep(0.3)
        (folder / "result").write_text("42")

    stage = new_stage(tmp_path, "scores", {"seed": 1}, make, "steps", 1, 10)
    threads = [threading.Thread(target=stage.run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert calls == [stage.folder.name + ".partial"]
    assert stage.done and sorted(path.name for path in tmp_path.iterdir()) == [stage.folder.name]
    assert json.loads((stage.folder / "stage.json").read_text())["inputs"] == {"seed": 1}


def test_a_mended_file_of_the_same_size_gives_another_stage(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "clip.json").write_text('{"a" #1}')
    before = listing([data])
    (data / "clip.json").write_text('{"a": 1}')
    assert listing([data]) != before
