# What the deploying and building scripts share; they source it. It has no verb of its own.
# shellcheck shell=bash

# shellcheck disable=SC2034  # for those who source it
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=$(basename "$0")
dry_run=

refuse() { # SENTENCE
  echo "$name: $1" >&2
  exit 1
}

misuse() { # SENTENCE
  echo "$name: $1; --help tells more" >&2
  exit 2
}

help() { # print the comment at the head of the script
  sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p;}' "$0"
  exit 0
}

value_of() { # OPTION VALUES... : the value that must follow an option
  [[ $# -ge 2 && -n $2 ]] || misuse "$1 needs a value"
  printf '%s' "$2"
}

need_tool() { # TOOL WHAT-FOR
  command -v "$1" > /dev/null || refuse "$1 is not installed: it is needed to $2"
}

need_cluster() {
  need_tool kubectl "talk to the cluster"
  kubectl version --request-timeout=10s > /dev/null 2>&1 ||
    refuse "no cluster answers: kubectl's current context leads nowhere"
}

run() { # COMMAND... : shown, and done unless --dry-run
  echo "+ $*"
  [[ -n $dry_run ]] || "$@"
}

next_step() { # SENTENCE
  echo "next: $1"
}
