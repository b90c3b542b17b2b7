"""`rs-adapt calibrate`: fit the temperature of a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, print_json, say


def calibrate(
    run: options.Run,
    out: Annotated[Path | None, options.out("the pack itself")] = None,
    device: options.Device = "auto",
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
) -> None:
    """Fit a temperature on the source's validation tiles, so that confidence means accuracy there.

    It is stored in the pack, or with --out in a copy of it, and `predict` uses it. On a different region probabilities
    are usually too high.

    $ rs-adapt calibrate RUN

    $ rs-adapt calibrate hf:OWNER/NAME --out calibrated
    """
    from rs_adapt.api.calibration import calibrate as calibrate_run

    calibration = calibrate_run(
        run, out=out, device=device, data_root=data_root, weights=weights, plugins=plugins or ()
    )
    if as_json:
        print_json(calibration.content())
        return
    before, after = calibration.before, calibration.after
    say(
        f"Temperature {calibration.temperature:g}, fitted on {calibration.split}: {calibration.tiles} tiles, "
        f"{group_digits(calibration.pixels)} pixels."
    )
    say(
        f"Expected calibration error {before.ece_pct:.2f} % -> {after.ece_pct:.2f} %, negative log-likelihood "
        f"{before.nll:.4f} -> {after.nll:.4f}."
    )
    say("It holds on tiles like these. On a different region probabilities are usually too high.")
