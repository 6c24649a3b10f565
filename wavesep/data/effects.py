"""Studio effects, which turn a recorded voice into a produced one.

Conventions
-----------
Sounds are float32 arrays of NumPy or tensors of PyTorch, ``(examples, channels, samples)``. The
result has the same kind and shape. Each example has its own settings: arrays of the same kind,
``(examples, 1, 1)`` unless stated otherwise. Nothing is random here: `production` draws settings.
"""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import array_namespace, device
from scipy.fft import next_fast_len

TAPS = 8  # of the filter that interpolates between samples
FALL = math.log(1e3)  # nepers in 60 dB
BANDS = (400.0, 1_600.0, 6_400.0)  # Hz, edges of the bands, each with its own decay
WINDOW, HOP = 2048, 512  # of the STFT of `move_formants`, in samples
LIFTER = 80  # samples of the cepstrum that make the envelope: 1.8 ms at 44.1 kHz
MOST_GAIN = 2.3  # nepers, largest gain of `move_formants` at a frequency: 20 dB
LEVEL_SECONDS = 0.02  # over which a compressor measures the level

Sound = Any  # a float32 array or tensor, (examples, channels, samples)
Setting = Any  # a number, or an array or tensor, (examples, 1, 1)


def mix(dry: Sound, wet: Sound, share: Setting) -> Sound:
    """Mix two sounds: the wet one gets ``share`` (0 to 1) of the power, the dry one the rest."""
    return dry * (1 - share) ** 0.5 + wet * share**0.5


def convolve(audio: Sound, response: Sound) -> Sound:
    """Convolve with impulse responses, ``(examples, channels, any)``; the tail is cut off."""
    xp = array_namespace(audio)
    samples = audio.shape[-1]
    size = next_fast_len(samples + response.shape[-1] - 1)
    product = xp.fft.rfft(audio, n=size) * xp.fft.rfft(response, n=size)
    return xp.fft.irfft(product, n=size)[..., :samples]


def room(noise: Sound, sample_rate: int, *, delay: Setting, decay: Setting, damping: Setting,
         gate: Setting) -> Sound:  # fmt: skip
    """Return impulse responses of rooms; each channel has a power of one.

    Parameters
    ----------
    noise : float32 array or tensor, (examples, channels, samples)
        White Gaussian noise. The responses have its length.
    sample_rate : int
    delay : seconds
        Time before the response begins.
    decay : seconds
        Time in which the response falls by 60 dB, below 400 Hz.
    damping : from 0 to 1
        Each of the four bands decays in this share of the time of the next lower one.
    gate : seconds
        Time after the delay at which the response is cut off.
    """
    xp = array_namespace(noise)
    samples = noise.shape[-1]
    size = next_fast_len(samples)
    time = ramp(noise) / sample_rate - delay
    spectrum = xp.fft.rfft(noise, n=size)
    frequencies = frequencies_of(noise, size, sample_rate)
    total = xp.zeros_like(noise)
    for i, (low, high) in enumerate(zip((0.0, *BANDS), (*BANDS, math.inf), strict=True)):
        inside = (frequencies >= low) & (frequencies < high)
        band = xp.fft.irfft(spectrum * xp.astype(inside, noise.dtype), n=size)[..., :samples]
        total = total + band * xp.exp(-FALL * time / (decay * damping**i))
    heard = (time >= 0) & (time < gate)
    total = xp.where(heard, total, xp.zeros_like(total))
    return total / (xp.sum(total * total, axis=-1, keepdims=True) + 1e-12) ** 0.5


def echoes(audio: Sound, sample_rate: int, *, delay: Setting, feedback: Setting, cutoff: Setting,
           count: int, ping_pong: bool = False) -> Sound:  # fmt: skip
    """Return the echoes without the sound itself; each is quieter and duller than the last.

    Parameters
    ----------
    audio : float32 array or tensor, (examples, channels, samples)
    sample_rate : int
    delay : whole number of samples
        From one echo to the next.
    feedback : from 0 to 1
        Gain from one echo to the next.
    cutoff : Hz
        Of a first-order low-pass. Each echo passes it once more than the one before.
    count : int, >= 1
        Number of echoes.
    ping_pong : bool
        With two channels, echoes alternate between them.
    """
    xp = array_namespace(audio)
    samples = audio.shape[-1]
    size = next_fast_len(2 * samples)  # so no echo wraps around to the beginning
    dull = (1 + (frequencies_of(audio, size, sample_rate) / cutoff) ** 2) ** -0.5
    turns = xp.arange(size // 2 + 1, device=device(audio)) * xp.astype(delay, xp.int64)
    sides = ramp(audio[:, :, :1], axis=1)
    spectrum = xp.fft.rfft(audio, n=size)
    total = xp.zeros_like(spectrum)
    for k in range(1, count + 1):
        gain = xp.astype(delay * k < samples, audio.dtype) * feedback ** (k - 1) * dull**k
        if ping_pong:
            gain = gain * xp.astype(sides == k % 2, audio.dtype)
        # whole turns do not change the angle, and 32-bit floats cannot represent so many
        angle = xp.astype(k * turns % size, audio.dtype) * (2 * math.pi / size)
        total = total + spectrum * gain * (xp.cos(angle) - 1j * xp.sin(angle))
    return xp.fft.irfft(total, n=size)[..., :samples]


def warp(audio: Sound, delay: Setting) -> Sound:
    """Delay a sound by a number of samples that may be fractional and may vary.

    Parameters
    ----------
    audio : float32 array or tensor, (examples, channels, samples)
    delay : (examples, 1 or channels, samples)
        In samples, at each sample of the result. Beyond the sound's ends there is silence.
    """
    xp = array_namespace(audio)
    samples = audio.shape[-1]
    later = xp.floor(delay)
    fraction = 1 - (delay - later)  # of the distance from one sample to the next
    whole = xp.astype(ramp(audio) - later, xp.int64) - 1
    whole = whole + xp.zeros_like(audio, dtype=xp.int64)
    total = xp.zeros_like(audio)
    for tap in range(1 - TAPS // 2, TAPS // 2 + 1):
        at = whole + tap
        distance = fraction - tap
        weight = sinc(distance) * xp.cos(math.pi / TAPS * distance) ** 2
        value = xp.take_along_axis(audio, xp.clip(at, 0, samples - 1), axis=-1)
        inside = xp.astype((at >= 0) & (at < samples), audio.dtype)
        total = total + value * weight * inside
    return total


def sinc(x: Any) -> Any:
    """Return sin(pi x) / (pi x), and 1 at zero."""
    xp = array_namespace(x)
    angle = math.pi * xp.where(xp.abs(x) < 1e-6, xp.full_like(x, 1e-6), x)
    return xp.sin(angle) / angle


def wobble(audio: Sound, sample_rate: int, *, rate: Setting, depth: Setting, phase: Setting) -> Any:
    """Return delays, in samples, that swing between 0 and ``depth`` seconds at a rate in Hz."""
    xp = array_namespace(audio)
    turn = 2 * math.pi * rate / sample_rate
    return depth * sample_rate * 0.5 * (1 - xp.cos(turn * ramp(audio) + phase))


def transpose(audio: Sound, ratio: Setting, grain: int) -> Sound:
    """Multiply the pitch by ``ratio`` and keep the duration.

    As in a harmoniser, two heads read the sound at ``ratio`` times the speed. Each jumps while the
    other one is audible.

    Parameters
    ----------
    audio : float32 array or tensor, (examples, channels, samples)
    ratio : > 0
    grain : int
        Length of a head's jumps, in samples.
    """
    xp = array_namespace(audio)
    total = xp.zeros_like(audio)
    for offset in (0.0, 0.5):
        turns = ramp(audio) * (1 - ratio) / grain + offset
        phase = turns - xp.floor(turns)
        total = total + warp(audio, phase * grain) * xp.sin(math.pi * phase) ** 2
    return total


def stutter(audio: Sound, *, start: Setting, slice_samples: Setting, repeats: Setting) -> Sound:
    """Play a slice ``repeats`` times in a row, over what follows; settings are whole numbers."""
    xp = array_namespace(audio)
    time = ramp(audio) + xp.zeros_like(audio)
    inside = (time >= start) & (time < start + slice_samples * repeats)
    turns = xp.floor((time - start) / slice_samples)
    place = xp.where(inside, time - turns * slice_samples, time)
    return xp.take_along_axis(audio, xp.astype(place, xp.int64), axis=-1)


def compress(audio: Sound, sample_rate: int, *, threshold: Setting, ratio: Setting) -> Sound:
    """Reduce levels above a threshold, as a compressor does; all channels get the same gain.

    Parameters
    ----------
    audio : float32 array or tensor, (examples, channels, samples)
    sample_rate : int
    threshold : > 0
        On the RMS over 20 ms, in the unit of the samples.
    ratio : >= 1
        The excess over the threshold, in dB, is divided by this.
    """
    xp = array_namespace(audio)
    power = xp.mean(audio * audio, axis=1, keepdims=True)
    level = moving_mean(power, round(LEVEL_SECONDS * sample_rate)) ** 0.5
    over = xp.clip(level / threshold, 1.0, None)
    return audio * over ** (1 / ratio - 1)


def moving_mean(audio: Sound, length: int) -> Sound:
    """Return the mean of ``length`` samples around each; beyond the ends there is silence."""
    xp = array_namespace(audio)
    samples = audio.shape[-1]
    size = next_fast_len(samples + length)
    frequencies = frequencies_of(audio, size, 1)
    response = sinc(frequencies * length) / sinc(frequencies)  # of a centred box
    mean = xp.fft.irfft(xp.fft.rfft(audio, n=size) * response, n=size)[..., :samples]
    return xp.clip(mean, 0.0, None)


def saturate(audio: Sound, *, drive: Setting, bias: Setting) -> Sound:
    """Overdrive: scale to an RMS of ``drive``, add ``bias``, apply tanh, remove the offset."""
    xp = array_namespace(audio)
    loud = drive * audio / (xp.mean(audio * audio, axis=(1, 2), keepdims=True) ** 0.5 + 1e-9)
    bent = xp.tanh(loud + bias)
    return bent - xp.mean(bent, axis=-1, keepdims=True)


def equalise(audio: Sound, sample_rate: int, *, low: Setting, high: Setting, shelf: Setting,
             gain: Setting) -> Sound:  # fmt: skip
    """Cut below ``low`` Hz and above ``high`` Hz, and amplify above ``shelf`` Hz by ``gain``.

    All slopes are 12 dB per octave, without delay. The gain is linear.
    """
    xp = array_namespace(audio)
    samples = audio.shape[-1]
    size = next_fast_len(samples + sample_rate // 10)  # so that the end does not ring at the start
    frequencies = frequencies_of(audio, size, sample_rate)
    response = 1 / (1 + (low / (frequencies + 1e-3)) ** 2) / (1 + (frequencies / high) ** 2)
    above = 1 / (1 + (shelf / (frequencies + 1e-3)) ** 2)
    response = response * (1 + (gain - 1) * above)
    return xp.fft.irfft(xp.fft.rfft(audio, n=size) * response, n=size)[..., :samples]


def move_formants(audio: Sound, factor: Setting) -> Sound:
    """Move spectral envelopes to ``factor`` times their frequencies, at the same pitch."""
    xp = array_namespace(audio)
    samples = audio.shape[-1]
    frames = framed(audio)
    time = ramp(frames)
    window = xp.sin(math.pi * (time + 0.5) / WINDOW)
    spectra = xp.fft.rfft(frames * window)  # (examples, channels, frames, frequencies)
    power = xp.real(spectra) ** 2 + xp.imag(spectra) ** 2
    floor = xp.max(power, axis=(1, 2, 3), keepdims=True) * 1e-8 + 1e-9
    cepstrum = xp.fft.irfft(0.5 * xp.log(power + floor), n=WINDOW)
    quefrency = xp.minimum(time, WINDOW - time) / LIFTER
    lifter = xp.cos(math.pi / 2 * xp.clip(quefrency, 0.0, 1.0))
    envelope = xp.real(xp.fft.rfft(cepstrum * lifter))
    place = xp.clip(ramp(envelope) / factor[..., None], 0.0, envelope.shape[-1] - 1.001)
    low = xp.floor(place)
    part = place - low
    index = xp.astype(low, xp.int64) + xp.zeros_like(envelope, dtype=xp.int64)
    moved = (1 - part) * xp.take_along_axis(envelope, index, axis=-1)
    moved = moved + part * xp.take_along_axis(envelope, index + 1, axis=-1)
    gain = xp.exp(xp.clip(moved - envelope, -MOST_GAIN, MOST_GAIN))
    return overlapped(xp.fft.irfft(spectra * gain, n=WINDOW) * window, samples)


def framed(audio: Sound) -> Any:
    """Cut a sound into overlapping frames, ``(examples, channels, frames, WINDOW)``."""
    xp = array_namespace(audio)
    samples = audio.shape[-1]
    count = -(-samples // HOP) + WINDOW // HOP - 1
    before = WINDOW - HOP
    silence = xp.zeros_like(audio[..., :1])
    wide = xp.concat(
        [silence_of(silence, before), audio, silence_of(silence, count * HOP - samples)], axis=-1
    )
    quarters = xp.reshape(wide, (*audio.shape[:2], -1, HOP))
    parts = [quarters[:, :, i : i + count] for i in range(WINDOW // HOP)]
    return xp.concat(parts, axis=-1)


def overlapped(frames: Any, samples: int) -> Sound:
    """Overlap and add the frames of `framed`, windowed twice by the root of a Hann window."""
    xp = array_namespace(frames)
    parts = WINDOW // HOP
    count = frames.shape[2]
    total = xp.zeros_like(frames[:, :, : count - parts + 1, :HOP])
    for i in range(parts):
        piece = frames[:, :, parts - 1 - i : count - i, i * HOP : (i + 1) * HOP]
        total = total + piece
    return xp.reshape(total, (*frames.shape[:2], -1))[..., :samples] * (2 * HOP / WINDOW)


def frequencies_of(like: Sound, size: int, sample_rate: int) -> Any:
    """Return the frequencies of an FFT of ``size`` samples, in Hz and in a sound's precision."""
    xp = array_namespace(like)
    places = xp.arange(size // 2 + 1, dtype=like.dtype, device=device(like))
    return places * (sample_rate / size)


def silence_of(like: Sound, samples: int) -> Sound:
    """Return silence of this length, of the same kind as a sound."""
    xp = array_namespace(like)
    return xp.zeros((*like.shape[:2], samples), dtype=like.dtype, device=device(like))


def ramp(like: Any, axis: int = -1) -> Any:
    """Return 0, 1, 2 … along an axis of an array, of the same kind and precision."""
    xp = array_namespace(like)
    shape = [1] * like.ndim
    shape[axis] = like.shape[axis]
    return xp.reshape(xp.arange(shape[axis], dtype=like.dtype, device=device(like)), tuple(shape))


def with_power_of(changed: Sound, before: Sound) -> Sound:
    """Scale every example to the power that it had before."""
    return changed * (power_of(before) / (power_of(changed) + 1e-12)) ** 0.5


def power_of(sound: Sound) -> Setting:
    """Return the sum of squares of every example."""
    xp = array_namespace(sound)
    return xp.sum(sound * sound, axis=(1, 2), keepdims=True)
