#!/bin/bash
# Inside the machine that tests/systemd/run boots: vibed as a service of a real systemd, on a real cgroup v2.
# Prints "ok" or "FAILED" lines; the last one says whether all is well.
set -u
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root
unit=/sys/fs/cgroup/system.slice/vibed.service
api=http://127.0.0.1:8080
failures=0

check() {  # check WHAT COMMAND...
  if "${@:2}"; then echo "ok: $1"; else echo "FAILED: $1"; failures=$((failures + 1)); fi
}
eventually() {  # eventually COMMAND...: tried for two minutes, because this machine is emulated
  local end=$((SECONDS + 120))
  until "$@" > /dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.5
  done
}
ready() { curl -sf $api/readyz > /dev/null; }
app() { curl -s -m 60 -H "Host: ${url#http://}" "http://127.0.0.1:18080/$1"; }
serves() { [[ $(app x) == "GET /x" ]]; }
main_pid() { systemctl show -P MainPID vibed; }
sandbox() { basename "$(dirname "$(readlink -f /var/lib/vibed/run/apps/*.sock)")"; }
in_leaf() { grep -q '^0::/system.slice/vibed.service/vibed$' "/proc/$(main_pid)/cgroup"; }
limited() { [[ -e $unit/sandboxes/$1/memory.max && $(cat "$unit/sandboxes/$1/memory.max") != max ]]; }
members() { [[ $(wc -l < "$unit/sandboxes/$1/cgroup.procs") -ge 2 ]]; }
handed() { [[ $(cat $unit/cgroup.subtree_control) == *memory* && $(cat $unit/cgroup.subtree_control) == *pids* ]]; }

end() {
  ((failures == 0)) || journalctl -u vibed --no-pager -o cat | tail -60
  ((failures == 0)) && echo "ALL WELL" || echo "$failures FAILED"
  systemctl poweroff
  exit
}

echo "systemd $(systemctl --version | head -1), kernel $(uname -r), cgroup: $(stat -fc %T /sys/fs/cgroup)"
systemd-analyze verify /usr/local/lib/systemd/system/vibed.service
# Small limits, in a file and a drop-in as docs/systemd.md has it.
printf 'sandbox:\n  memory: 64Mi\n  workspace: 32Mi\n  tmp: 16Mi\n' > /etc/vibed.yaml
mkdir -p /etc/systemd/system/vibed.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/local/bin/vibed up --keep-apps --data /var/lib/vibed --config /etc/vibed.yaml\n' \
  > /etc/systemd/system/vibed.service.d/test.conf
systemctl daemon-reload
systemctl start vibed
check "the unit starts and vibed answers" eventually ready
((failures == 0)) || end
check "vibed is in its leaf" in_leaf
check "controllers are handed on" handed

vibed deploy /root/app --name hello > /tmp/deploy.log 2>&1 || cat /tmp/deploy.log
url=$(curl -s $api/v1/apps/hello | python3 -c 'import json,sys; print(json.load(sys.stdin)["url"])')
url=${url%:*}
check "an app is deployed and serves" eventually serves
first=$(sandbox)
check "its sandbox $first has a limit of memory" limited "$first"
check "its processes are in it" members "$first"
echo "memory.max $(cat $unit/sandboxes/$first/memory.max), pids.max $(cat $unit/sandboxes/$first/pids.max), cpu.max $(cat $unit/sandboxes/$first/cpu.max)"

app eat > /dev/null
ended() { grep -q '^oom_kill [1-9]' "$unit/sandboxes/$first/memory.events"; }
check "an app that takes more than its memory is ended by the kernel" eventually ended
check "and started again" eventually serves
check "which vibed does not notice" ready

systemctl restart vibed
check "after a restart vibed answers" eventually ready
((failures == 0)) || end
check "it is in its leaf again" in_leaf
check "controllers are handed on again" handed
check "the app was adopted" test "$(sandbox)" = "$first"
check "and serves" eventually serves
check "with its limit" limited "$first"

systemctl kill -s KILL --kill-who=main vibed
check "the app serves while vibed is dead" serves
check "systemd starts it again" eventually ready
check "the app was adopted again" test "$(sandbox)" = "$first"
check "and has its limit" limited "$first"

systemctl stop vibed
check "the app serves while vibed is stopped" serves
systemctl start vibed
check "vibed starts again" eventually ready
vibed deploy /root/app --name hello > /tmp/deploy.log 2>&1 || cat /tmp/deploy.log
check "a redeploy gets a new sandbox" test "$(sandbox)" != "$first"
check "with a limit" limited "$(sandbox)"
gone() { [[ ! -e $unit/sandboxes/$first ]]; }
check "and the old one's cgroup is removed" eventually gone

end
