#!/bin/sh
# Copies the modules to a folder from which Prosody loads modules, and removes them:
#
#   install.sh [install] [FOLDER]
#   install.sh remove [FOLDER]
#
# FOLDER is /usr/local/lib/prosody/modules by default, the folder for local modules in Debian. Prosody
# loads modules from there if plugin_paths names it. DESTDIR is put before FOLDER, to build packages.
#
# A list in FOLDER names the installed files and their checksums. Another file of the same name, or an
# installed file that was changed since, is foreign: it is not overwritten and not removed.
set -eu
umask 022

action=install
case ${1-} in
    install | remove) action=$1; shift ;;
    -*) echo "usage: install.sh [install|remove] [FOLDER]" >&2; exit 2 ;;
esac
[ $# -le 1 ] || { echo "expected one folder, found $#: $*" >&2; exit 2; }
source=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=${1:-/usr/local/lib/prosody/modules}
target=${DESTDIR-}$folder
list=$target/jitsi_verifier.list

# The modules' names contain no blanks.
names() {
    for file in "$source"/*.lua; do
        echo "${file##*/}"
    done
}

# Prints the names in the list.
listed() {
    [ ! -f "$list" ] || sed -n 's/^[0-9]* [0-9]* \([a-z_.]*\.lua\)$/\1/p' "$list"
}

# Returns whether the list has this file with its present checksum.
is_listed() {
    [ -f "$target/$1" ] && [ ! -L "$target/$1" ] && [ -f "$list" ] &&
        grep -qxF "$(cksum <"$target/$1") $1" "$list"
}

is_foreign() {
    [ -e "$target/$1" ] || [ -L "$target/$1" ] || return 1
    is_listed "$1" && return 1
    [ -L "$target/$1" ] || ! cmp -s "$source/$1" "$target/$1"
}

refuse_foreign() {
    foreign=
    for name in $(names); do
        ! is_foreign "$name" || foreign="$foreign $folder/$name"
    done
    if [ -n "$foreign" ]; then
        echo "not installed by this script, or changed since; move it away:$foreign" >&2
        exit 1
    fi
}

# A running Prosody that reloads a module reads the old file or the new one.
copy() {
    cp "$source/$1" "$target/$1.new"
    chmod 644 "$target/$1.new" # Prosody has its own user
    mv -f "$target/$1.new" "$target/$1"
}

write_list() {
    {
        [ -z "$created" ] || echo created
        for name in $(names); do
            echo "$(cksum <"$target/$name") $name"
        done
    } >"$list.new"
    mv -f "$list.new" "$list"
}

install_modules() {
    refuse_foreign
    created=
    if [ -f "$list" ]; then
        created=$(grep -x created "$list" || :)
    elif [ ! -d "$target" ]; then
        mkdir -p "$target"
        created=created
    fi
    for name in $(names); do
        copy "$name"
    done
    for name in $(listed); do # an earlier version may have had more files
        [ -e "$source/$name" ] || ! is_listed "$name" || rm "$target/$name"
    done
    write_list
    names | sed "s|^|installed $folder/|"
    if [ -z "$(find "$target" -prune -perm -o=x)" ]; then
        echo "note: users such as Prosody's cannot enter $folder: chmod o+x $folder" >&2
    fi
    if [ -z "${DESTDIR-}" ] && command -v prosodyctl >/dev/null &&
        ! prosodyctl about 2>/dev/null | grep -qxF "  ${folder%/}"; then
        echo "note: Prosody on this machine loads no modules from $folder: add it to plugin_paths" >&2
    fi
}

remove_modules() {
    if [ ! -f "$list" ]; then
        echo "nothing to remove in $folder"
        return
    fi
    for name in $(listed); do
        if is_listed "$name"; then
            rm "$target/$name"
            echo "removed $folder/$name"
        elif [ -e "$target/$name" ]; then
            echo "kept, because it was changed: $folder/$name" >&2
        fi
    done
    created=$(grep -x created "$list" || :)
    rm "$list"
    [ -z "$created" ] || rmdir "$target" 2>/dev/null || :
}

"${action}_modules"
