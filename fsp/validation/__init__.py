"""Is a simulator right? Samples against the exact law: readers, tests, verdict, diagnosis, report."""
