"""Programs in the place of those that would change this machine or need another one: each writes down how it was called, and
refuses what the real one would refuse.

`systemctl` and `journalctl` know the units that have been installed; `kubectl` reads the manifests and knows what has been
applied; `docker` calls docker-compose where there is no plugin; `sudo` runs the command as it is.
"""

import os
import shutil
import sys

import lake

SUDO = '#!/bin/sh\nexec "$@"\n'
# Compose 2 sees by itself that there is no terminal; version 1 has to be told so.
DOCKER = """#!/bin/sh
if [ "$1" != compose ] || {docker} compose version >/dev/null 2>&1; then exec {docker} "$@"; fi
shift
if [ "$1" = exec ]; then shift; set -- exec -T "$@"; fi
exec docker-compose "$@"
"""
SYSTEMD = """#!/bin/sh
echo "${{0##*/}} $*" >>{calls}
for word in "$@"; do
  case $word in
    -*|enable|disable|start|restart|try-restart|reload|daemon-reload|status|show|list-timers|today|cat|ExecMainStatus) ;;
    costlake*)
      case $word in *.timer|*.service) unit=$word ;; *) unit=$word.service ;; esac
      if [ ! -f {units}/"$unit" ]; then echo "Unit $unit not found." >&2; exit 5; fi ;;
    *) echo "${{0##*/}}: not known here: $word" >&2; exit 64 ;;
  esac
done
"""


def folder(**programs):
    """A folder with these programs, for the beginning of a path."""
    made = lake.temporary("programs")
    for name, text in programs.items():
        (made / name).write_text(text)
        (made / name).chmod(0o755)
    return made


def sudo():
    """`sudo` where this process is root already or the real one is not there."""
    return {"sudo": SUDO} if os.getuid() == 0 or not shutil.which("sudo") else {}


def docker():
    return {"docker": DOCKER.format(docker=shutil.which("docker"))}


def systemd(units, calls):
    return dict.fromkeys(("systemctl", "journalctl"), SYSTEMD.format(units=units, calls=calls))


def kubectl():
    return {"kubectl": f'#!/bin/sh\nexec {sys.executable} {lake.HERE / "kubectl.py"} "$@"\n'}
