#!/usr/bin/env bash
# Runs a command in a Slurm cluster of two nodes, node1 and node2, on this machine, as root:
#
#   bench/slurm/cluster.sh COMMAND [ARGUMENT...]
#
# Each node has a name, an address, processes and a /tmp of its own; it fails when the process with the
# id in CLUSTER/node1/pid is killed. All else is shared, as on a parallel file system. The command runs in CLUSTER, the directory of the cluster, which is removed at the end; logs
# of the daemons are there. All run in namespaces of their own: processes, mounts and network end with
# the command, and when this script is killed.
set -euo pipefail
script=$(realpath "$0")

# inside starts the cluster, in namespaces of its own, runs the command, and gives its exit code.
inside() {
  cd "$CLUSTER"
  ip link set lo up
  echo "127.0.0.1 localhost" >hosts
  for host in 1-node1 2-node2 3-login; do
    ip address add "10.77.0.${host%-*}/32" dev lo
    echo "10.77.0.${host%-*} ${host#*-}" >>hosts
  done
  mount --bind hosts /etc/hosts
  hostname login
  (umask 077 && head -c 1024 /dev/urandom >munge.key)
  settings >slurm.conf

  munged --foreground --force --socket="$CLUSTER/munge.socket" --key-file="$CLUSTER/munge.key" \
    --pid-file="$CLUSTER/munged.pid" --seed-file="$CLUSTER/munged.seed" --log-file="$CLUSTER/munged.log" 2>munged.out &
  until [ -S munge.socket ]; do alive $! munged; done
  slurmctld -D -f "$SLURM_CONF" >slurmctld.out 2>&1 &
  controller=$!
  for i in 1 2; do
    mkdir -p "node$i/tmp" "node$i/spool"
    unshare --mount --uts --pid --fork --kill-child --mount-proc "$script" --node "$i" >"node$i/slurmd.out" 2>&1 &
    echo $! >"node$i/pid"
  done
  until [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; do alive $controller slurmctld; done
  "$@"
}

# node is one of the nodes.
node() {
  hostname "node$1"
  mount --bind "$CLUSTER/node$1/tmp" /tmp
  exec slurmd -D -f "$SLURM_CONF" -N "node$1"
}

# alive waits a little for the daemon with a process id, which must not have ended.
alive() {
  kill -0 "$1" 2>/dev/null || { echo "$2 has ended:" >&2; tail "$CLUSTER/$2.out" "$CLUSTER/$2.log" >&2; exit 1; }
  sleep 0.1
}

settings() {
  cat <<CONF
ClusterName=firn
SlurmctldHost=login(10.77.0.3)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that is queued again starts when its credential has expired.
AuthInfo=socket=$CLUSTER/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation=$CLUSTER/state
SlurmctldPidFile=$CLUSTER/slurmctld.pid
SlurmctldLogFile=$CLUSTER/slurmctld.log
SlurmdPidFile=$CLUSTER/%n/slurmd.pid
SlurmdLogFile=$CLUSTER/%n/slurmd.log
SlurmdSpoolDir=$CLUSTER/%n/spool
# No control groups are needed: a process is found by its parents.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
# Slurm counts more than the machine has: two nodes share its cores.
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
KillWait=20
SlurmdTimeout=10
SchedulerParameters=sched_interval=5,batch_sched_delay=0
NodeName=node1 NodeAddr=10.77.0.1 NodeHostname=node1 Port=6821 CPUs=4 RealMemory=4000
NodeName=node2 NodeAddr=10.77.0.2 NodeHostname=node2 Port=6822 CPUs=4 RealMemory=4000
PartitionName=all Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
CONF
}

case ${1-} in
  --inside) shift; inside "$@" ;;
  --node) node "$2" ;;
  "") echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2 ;;
  *)
    CLUSTER=$(mktemp -d /var/tmp/firn-slurm-XXXXXX)
    export CLUSTER SLURM_CONF=$CLUSTER/slurm.conf
    mkdir "$CLUSTER/state"
    trap 'trap "" HUP INT TERM; kill -KILL "$cluster" 2>/dev/null || true; wait || true; rm -rf "$CLUSTER"' EXIT
    trap 'exit 143' HUP INT TERM
    setpriv --pdeathsig KILL unshare --mount --pid --net --uts --ipc --fork --kill-child --mount-proc "$script" --inside "$@" &
    cluster=$!
    wait $cluster
    ;;
esac
