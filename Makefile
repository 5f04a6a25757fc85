SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:

.PHONY: help venv venv-trainer lint crds requirements test test-unit test-trainer test-controlplane test-e2e images cluster-up cluster-down demo

help:  ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

venv:  ## the development environment, linked at .venv
	@ln -sfn "$$(deploy/venv.sh requirements-dev.txt)" .venv

venv-trainer:  ## the trainer's environment (torch), linked at .venv-trainer
	@ln -sfn "$$(deploy/venv.sh tests/trainer/requirements.txt)" .venv-trainer

lint: venv  ## ruff, mypy --strict, import boundaries, drift of generated files
	@.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	PYTHONPATH=.:operator:api-gateway .venv/bin/lint-imports

crds: venv  ## generate the CRD for deploy/crds and the chart
	@.venv/bin/python -m one_ring.crd

requirements:  ## pin every environment anew
	@deploy/requirements.sh

test-unit: venv  ## pure tests: no cluster, no torch
	@.venv/bin/pytest -q tests/unit

test-trainer: venv-trainer  ## the trainer on the CPU, no cluster
	@.venv-trainer/bin/pytest -q tests/trainer

test-controlplane: venv  ## a real API server, no kubelet
	@.venv/bin/pytest -q tests/controlplane
