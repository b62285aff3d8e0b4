#!/bin/sh
# keep_log.sh FOLDER COMPILER ARGUMENTS...: runs the compiler and keeps what it says about the kernels beside the object's name.
folder=$1
shift
object=
previous=
for argument in "$@"; do
  if [ "$previous" = -o ]; then object=$argument; fi
  previous=$argument
done
log=$folder/$(basename "$object").log
mkdir -p "$folder"
"$@" 2>"$log"
status=$?
if [ $status -ne 0 ]; then cat "$log" >&2; fi
exit $status
