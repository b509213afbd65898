"""Fits on several devices."""
