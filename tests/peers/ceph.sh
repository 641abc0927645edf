#!/usr/bin/env bash
# A Ceph object gateway on loopback, all data in memory, for the lake's conditional writes against a real store.
#
#   ceph.sh start DIR S3_PORT MON_V2_PORT MON_V1_PORT    keys: AK / SK
#   ceph.sh stop DIR
#
# One monitor, one memory-backed OSD, one gateway, no manager. Authentication stays on (the gateway refuses to start
# without it), and the OSD is created under the uuid the monitor was told, or it never comes up.
set -euo pipefail

write_config() { # DIR MON_V2 MON_V1 FSID
  cat > "$1/ceph.conf" <<CONF
[global]
fsid = $4
mon host = [v2:127.0.0.1:$2/0,v1:127.0.0.1:$3/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon max pg per osd = 1000
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 1
osd objectstore = memstore
memstore device bytes = 2147483648
mon data = $1/mon
osd data = $1/osd
run dir = $1/run
admin socket = $1/run/\$cluster-\$name.asok
log file = $1/log/\$name.log
pid file = $1/run/\$name.pid
keyring = $1/keyring
CONF
}

wait_until() { # SECONDS WHAT COMMAND...
  local limit=$1 what=$2 begun=$SECONDS
  shift 2
  until "$@"; do
    if ((SECONDS - begun >= limit)); then
      echo "ceph: $what did not happen within $limit s" >&2
      return 1
    fi
    sleep 0.5
  done
}

osd_is_up() { timeout 10 ceph osd stat 2>/dev/null | grep -q '1 up'; }
gateway_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

boot() { # DIR S3_PORT MON_V2 MON_V1
  local dir=$1 port=$2 v2=$3 v1=$4 fsid uuid
  fsid=$(cat /proc/sys/kernel/random/uuid)
  uuid=$(cat /proc/sys/kernel/random/uuid)
  write_config "$dir" "$v2" "$v1" "$fsid"
  export CEPH_CONF=$dir/ceph.conf

  ceph-authtool -C "$dir/keyring" --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$dir/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  ceph-authtool "$dir/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
  monmaptool --create --clobber --fsid "$fsid" --addv a "[v2:127.0.0.1:$v2/0,v1:127.0.0.1:$v1/0]" "$dir/monmap"
  ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring"
  ceph-mon -i a
  timeout 60 ceph osd new "$uuid"
  timeout 60 ceph osd crush add osd.0 1.0 host=h root=default
  ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
  ceph-osd -i 0
  wait_until 60 "the OSD coming up" osd_is_up
  radosgw -n client.admin --rgw-frontends "beast endpoint=127.0.0.1:$port" --rgw-data "$dir/rgw" \
    --pid-file "$dir/run/rgw.pid" --log-file "$dir/log/rgw.log"
  wait_until 120 "the gateway listening" gateway_answers "$port"
  timeout 120 radosgw-admin user create --uid=costlake --display-name=costlake --access-key=AK --secret-key=SK
}

# A script of its own, so that the daemons inherit the log and not the caller's output, which they would hold open.
start() { # DIR S3_PORT MON_V2 MON_V1
  local dir
  mkdir -p "$1/mon" "$1/osd" "$1/run" "$1/log" "$1/rgw"
  dir=$(cd "$1" && pwd)
  if ! "$0" boot "$dir" "$2" "$3" "$4" </dev/null >"$dir/log/start.log" 2>&1; then
    echo "ceph: did not start; its last words:" >&2
    tail -n 20 "$dir/log/start.log" >&2
    return 1
  fi
  echo "http://127.0.0.1:$2"
}

end_process() { # PIDFILE: asks first, insists after ten seconds
  local pid
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 50); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.2
  done
  kill -9 "$pid" 2>/dev/null || true
}

stop() { # DIR. Gateway, OSD, monitor: without a monitor the OSD hangs in its shutdown.
  end_process "$1/run/rgw.pid"
  end_process "$1/run/osd.0.pid"
  end_process "$1/run/mon.a.pid"
}

case "${1:-}" in
  start) shift; start "$@" ;;
  boot) shift; boot "$@" ;; # what start runs
  stop) shift; stop "$@" ;;
  *) echo "usage: ceph.sh start DIR S3_PORT MON_V2_PORT MON_V1_PORT | stop DIR" >&2; exit 2 ;;
esac
