"""The exchange: the only package that knows its names, its signatures' place and its moods.

Specified by the exchange's own API document; what it leaves out is decided where it matters.
"""
