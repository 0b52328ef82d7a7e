#!/bin/bash
# The trial itself: does to the units what people and accidents do, and says what systemd makes of it.
set -u
failures=0
of() { systemctl show currantd -p "$1" --value; }
figures() { systemctl show currantd -p ActiveState,SubState,Result,NRestarts,ExecMainStatus,StatusText --no-pager | paste -sd' '; }
check() {
    local what=$1
    shift
    if "$@" >/run/out/last 2>&1; then echo "ok      $what"; else
        echo "FAILED  $what: $*"
        sed 's/^/        /' /run/out/last
        figures
        failures=$((failures + 1))
    fi
}
soon() {
    for _ in $(seq 300); do
        "$@" && return
        sleep 0.2
    done
    return 1
}
is() { [ "$(of "$1")" = "$2" ]; }
fails() { ! "$@"; }
node() { /srv/currant/venv/bin/currantctl "$@" --runtime-dir /run/currantd; }
cli() { (
    set -a
    . /etc/currant/currantd.env
    cd /srv/currant/app && /srv/currant/venv/bin/currant "$@"
); }
answers() { [ "$(cli enqueue app.jobs.version --wait-for 60s | tail -1)" = "\"$1\"" ]; }
switch() { ln -sfn "releases/$1" /srv/currant/app.new && mv -T /srv/currant/app.new /srv/currant/app; }
release() { # makes the release of this number of the present one, by a command, and switches to it
    cp -r "/srv/currant/app/." "/srv/currant/releases/$1"
    sh -c "cd /srv/currant/releases/$1/app && $2"
    switch "$1"
}
modes() { [ "$(stat -c '%a %U' /run/currantd)" = "700 currant" ] && [ "$(stat -c %a /etc/currant/currantd.env)" = 600 ]; }
figured() { of StatusText | grep -q '^Running: . of 2 children ready'; }
allowed() { cli enqueue app.jobs.allowed --wait-for 60s; }

check "the user is made" systemd-sysusers
check "the folders are made" systemd-tmpfiles --create /usr/lib/tmpfiles.d/currant.conf
check "the schema is made" cli migrate
check "the unit starts" systemctl start currantd
check "its runtime directory is private, as are the settings" modes
check "systemd shows its figures" soon figured
check "it is hardened" systemd-analyze security --threshold=20 currantd
check "what jobs may do works, and the rest is refused" allowed
check "root asks how it is" node status
check "it reloads" systemctl reload currantd
check "jobs run with the first release" answers v1
release 2 "sed -i s/v1/v2/ jobs.py"
check "it reloads with a new release" systemctl reload currantd
check "jobs run with the new release" answers v2
release 3 "echo 1/0 >> jobs.py"
check "a reload of broken code fails" fails systemctl reload currantd
switch 2
check "the unit goes on with the old code" answers v2
systemctl kill -s HUP --kill-whom=main currantd
check "a reload by a signal ends" soon is SubState running
kill -9 "$(node status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["children"][0]["pid"])')"
check "jobs run after a child was killed" answers v2
check "that is no restart" is NRestarts 0
kill -STOP "$(of MainPID)"
check "a frozen supervisor is restarted by the watchdog" soon is NRestarts 1
check "and is ready again" soon systemctl is-active -q currantd
check "jobs run" answers v2
kill -9 "$(of MainPID)"
check "a killed supervisor is restarted" soon is NRestarts 2
check "and is ready again" soon systemctl is-active -q currantd
id=$(cli enqueue app.jobs.sleeper --args '[12]')
check "a job begins" soon sh -c "/srv/currant/venv/bin/currantctl status --json --runtime-dir /run/currantd | grep -Eq '\"running\": ?1'"
systemctl stop --no-block currantd
check "a drain of 12 s ends well with a TimeoutStopSec of 3 s" soon is ActiveState inactive
check "nothing was killed" is Result success
check "the job has ended" sh -c "set -a; . /etc/currant/currantd.env; /srv/currant/venv/bin/currant status $id | grep -q completed"
echo CURRANT_PROCS=zero >>/etc/currant/currantd.env
check "a mistake in a setting is no start" fails systemctl start currantd
sleep 3
check "and is not tried again" is ActiveState failed
sed -i '$d' /etc/currant/currantd.env
echo CURRANT_PROCS=1 >/etc/currant/mail.env
check "two nodes run beside each other" systemctl start currantd currantd@mail
check "the second is found in its own directory" /srv/currant/venv/bin/currantctl status --runtime-dir /run/currantd-mail
check "both stop" systemctl stop currantd currantd@mail
echo "$failures failed"
touch /run/out/done
