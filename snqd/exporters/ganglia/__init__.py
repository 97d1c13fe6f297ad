"""Ganglia: a daemon's figures as metrics of `gmond`, in its own datagrams.

`packets` is what goes over the wire, `catalogue` what each figure is, `places` which of them are told, `ganglia` the
exporter.
"""
