"""What the kernel says of processes."""

import os
import subprocess
import sys
import time

from currant import proc


def test_of_this_process_the_kernel_says_what_python_says() -> None:
    before = time.process_time()
    found = proc.cpu_s(os.getpid())
    assert found is not None
    assert before <= found <= time.process_time()
    resident, peak = proc.resident_bytes(os.getpid()), proc.peak_bytes(os.getpid())
    assert resident
    assert peak
    assert min(resident, peak) > 1 << 20
    stat = proc.stat(os.getpid())
    assert stat is not None
    assert stat.parent == os.getppid()
    assert 0 < stat.started_s <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_childs_cpu_is_its_own_until_it_is_waited_for_and_its_parents_reaped_then() -> None:
    spin = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        assert child.pid in proc.children(os.getpid())
        before = proc.stat(os.getpid())
        used = proc.cpu_s(child.pid)
        child.communicate(b"\n")
    after = proc.stat(os.getpid())
    assert used is not None
    assert used >= 0.2
    assert before
    assert after
    # In hundredths, each cut off; and its end took some more.
    assert after.reaped_cpu_s - before.reaped_cpu_s >= used - 0.05


def test_a_process_that_waits_has_gone_to_sleep() -> None:
    before = proc.wakeups(os.getpid())
    for _ in range(5):
        time.sleep(0.001)
    after = proc.wakeups(os.getpid())
    assert before is not None
    assert after is not None
    assert after >= before + 5


def test_of_a_process_that_is_gone_there_is_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    found = [proc.stat(child.pid), proc.name(child.pid), proc.cpu_s(child.pid), proc.peak_bytes(child.pid)]
    assert found == [None] * 4
    assert proc.resident_bytes(child.pid) is proc.wakeups(child.pid) is None
    assert proc.children(child.pid) == []
