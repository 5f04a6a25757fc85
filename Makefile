SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:

export PYTHONPATH := .:operator:api-gateway

.PHONY: help demo test lint test-unit test-trainer test-controlplane test-e2e crds requirements images \
        cluster-up cluster-down venv venv-trainer

help:  ## show this help
	grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

demo: venv  ## fine-tune a model on a real Kubernetes node, and watch
	.venv/bin/python -m demo.run

test: lint test-unit test-trainer test-controlplane test-e2e  ## everything below, the quick ones first

lint: venv  ## ruff, mypy --strict, import boundaries
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

test-unit: venv  ## pure tests: no cluster, no torch
	.venv/bin/pytest -q tests/unit

test-trainer: venv-trainer  ## the trainer on the CPU: no cluster
	.venv-trainer/bin/pytest -q tests/trainer

test-controlplane: venv  ## the operator, SDK and gateway against a real API server: no kubelet
	deploy/local/cluster build
	.venv/bin/pytest -q tests/controlplane

test-e2e: venv venv-trainer  ## everything on a real node: kubelet, images, chart, training
	.venv/bin/pytest -q tests/local
	.venv/bin/pytest -q tests/e2e

crds: venv  ## generate the CRD for deploy/crds and the chart
	.venv/bin/python -m one_ring.crd

requirements: venv  ## pin every environment anew
	deploy/requirements.sh

images:  ## build the three images and push them to the local node's registry, or to $$REGISTRY
	deploy/images

cluster-up:  ## start the local node (needs root)
	deploy/local/cluster up

cluster-down:  ## stop the local node and remove what it left
	deploy/local/cluster down

venv:  ## the development environment, linked at .venv
	ln -sfn "$$(deploy/venv.sh requirements-dev.txt)" .venv

venv-trainer:  ## the trainer's environment (torch), linked at .venv-trainer
	ln -sfn "$$(deploy/venv.sh tests/trainer/requirements.txt)" .venv-trainer
