# The workflow is in workflow/, as the Snakemake workflow catalog expects; this file makes a bare `snakemake` find it.
include: "workflow/Snakefile"


workflow.default_target = "all"
