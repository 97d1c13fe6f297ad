"""Where the monitor's facts come from: hubs, what is pushed, a recording, or a made-up scene."""
