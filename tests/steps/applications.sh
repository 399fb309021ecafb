# Applications come as Helm releases: installed, upgraded when their values change, and left alone
# when nothing does.
application=$(variant application -e 's/^profile:.*/profile: application/')
expect "a chart is installed as a release" 0 "$program" apply --yes "$application"
says   "by its kind of task" 'helm-release greetings/greeter'
expect "and then there is nothing to do" 0 "$program" plan --detailed-exitcode "$application"
welcome=$(variant welcome -e 's/^profile:.*/profile: application/' -e '/^defaults:/a\  parameters: {greeting: welcome}')
expect "other values are seen by plan" 2 "$program" plan --detailed-exitcode "$welcome"
says   "as such" 'another chart or other values'
expect "and become an upgrade" 0 "$program" apply --yes "$welcome"
expect "that the cluster shows" 0 on $first "sudo kubectl --kubeconfig /etc/kubernetes/admin.conf -n greetings get configmap greeting -o 'jsonpath={.data.text}' | grep -x welcome"
expect "as the second revision" 0 on $first "sudo helm --kubeconfig /etc/kubernetes/admin.conf -n greetings history greeter | grep -c 'ra-deploy ' | grep -x 2"
