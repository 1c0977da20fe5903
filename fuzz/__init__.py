"""The harness: command line, campaign, reduction, triage and reports."""

VERSION = "0.1.0"
