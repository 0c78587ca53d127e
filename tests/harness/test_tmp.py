import time
from zooscope.package import open_package
import zooscope
def test_a(make_package, demo):
    s=demo[demo.ids[1]]
    a=open_package(make_package()); print(a.input,a.output)
    b=open_package(make_package(format="0.4.9",at="b.zip")); print(b.input,b.output)
    b=open_package(make_package("grid2",format="0.4.9",at="b.zip",halo_px=8,scale=0.5)); print(b.input,b.output, b.description.outputs[0].axes)
    b=open_package(make_package("grid2",at="b2.zip",halo_px=8,scale=2.0)); print(b.input,b.output, b.description.outputs[0].axes)
    b=open_package(make_package("channels-last",folder=True)); print(b.input,b.output)
    for k in ("sigmoid","twice","grid2","channels-last","convs"):
        p=make_package(k,at="z.zip",channels_out=2 if k=="twice" else 1, scale=2.0 if k=="grid2" else 1.0)
        t=time.time(); m=zooscope.load_model(p,device="cpu"); l=m.predict(s.image.values,s.axes); print(k,l.max(), len(set(s.target.ravel())), time.time()-t)
    assert 0
