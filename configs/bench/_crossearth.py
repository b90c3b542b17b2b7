"""What the benches of CrossEarth (arXiv 2410.22629) share beyond `_paper.py`: a longer schedule.

Source: Cuzyoung/CrossEarth @f6def79. There: AdamW 1e-4, weight decay 0.05, poly 0.9 towards iteration 40 000 but
stopped at 30 000, one crop a GPU, evaluated every 10 000. Here the decay ends with the schedule, and crops are those of
the other benches, since the number of GPUs is not stated.
"""

_base_ = "_paper.py"

bench = dict(schedule=dict(iters=30000, eval_every=3000, batch_size=dict(da=2, dg=4, ss=4)))
